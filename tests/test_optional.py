"""What models of other packages may offer beyond what they must."""

from openmm_mdgen.tasks.optional import offers, optional


class Delegating:
    """Has what another object has."""

    gaps_per_call = 4

    def __getattr__(self, name: str) -> object:
        if name == "decoded":
            return lambda frames: frames
        raise AttributeError(name)


def test_methods_count_through_getattr_and_attributes_do_not():
    assert offers(Delegating(), "decoded")
    assert not offers(Delegating(), "next_blocks")
    assert not offers(Delegating(), "gaps_per_call")


def test_attributes_with_their_default():
    assert optional(Delegating(), "gaps_per_call", 16) == 4
    assert optional(object(), "gaps_per_call", 16) == 16
    assert optional(object(), "content_hash") is None
