# How many requests at a time crops are read with. This file has no rule.
def requests_to(name, most):
    """How many requests at a time read a dataset, or the profile's limit if that is lower. 0 for one on disk."""
    dataset = listed_datasets().get(name)
    return most if dataset and "://" in dataset.url else 0


def requests_of_crop(wildcards):
    """A few, so that several crops are read at a time where the profile allows more."""
    from ifcb_abundance.stores.places import FEW
    from ifcb_abundance.volumes.names import parse_crop

    crop = parse_crop(wildcards.crop)
    return requests_to(crop.dataset, FEW) if crop else 0
