"""Fine-tune the filter's ResNet34, where torch is: python workflow/scripts/train_resnet.py --help."""

import sys

from ifcb_abundance.curation.train_resnet import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
