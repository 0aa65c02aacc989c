"""Values by name: a message for a name that is not there."""

import json
import pickle

import pytest

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.common.named import Named


def test_a_name_that_is_not_there_is_a_sentence_with_those_that_are() -> None:
    stores = Named("stores: no store is called", {"a": 1, "b c": 2})
    assert (stores["a"], stores.get("x"), "x" in stores) == (1, None, False)
    with pytest.raises(ConfigError, match=r"^stores: no store is called 'x'; there are 'a', 'b c'$"):
        stores["x"]
    with pytest.raises(ConfigError, match=r"there are none$"):
        Named("no", {})["x"]
    many = Named("no", {f"v{number:02d}": number for number in range(23)})
    with pytest.raises(ConfigError, match=r"^no 'x'; there are 'v00', .*, 'v19' and 3 more$"):
        many["x"]
    assert pickle.loads(pickle.dumps(stores)) == json.loads(json.dumps(stores)) == {"a": 1, "b c": 2}
