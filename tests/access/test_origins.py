from __future__ import annotations

import pytest

from axiom.access.origins import THROUGH_A_PROXY, Origin, Origins, networks
from axiom.errors import MisuseError
from axiom.settings import load_settings

PROXIES = "10.0.0.0/8, 192.0.2.7"
BEHIND = Origins(networks(PROXIES), behind_proxy=True)
BESIDE = Origins(networks(PROXIES))


def test_without_trusted_proxies_the_peer_is_the_client_whatever_it_says() -> None:
    for said in ([], ["1.2.3.4"], ["1.2.3.4, 127.0.0.1"], ["nonsense"]):
        assert Origins(()).of("203.0.113.9", said) == Origin("203.0.113.9")


def test_behind_a_proxy_that_tells_nothing_everybody_comes_from_it() -> None:
    for said in ([], ["1.2.3.4"], ["1.2.3.4, 127.0.0.1"], ["nonsense"]):
        assert Origins((), behind_proxy=True).of("127.0.0.1", said) == THROUGH_A_PROXY
    assert THROUGH_A_PROXY.shared


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (["203.0.113.9", "10.1.2.3, 192.0.2.7"], "203.0.113.9"),
        (["203.0.113.9:51234"], "203.0.113.9"),
        (["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        (["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
    ],
)
def test_the_rightmost_hop_that_is_no_proxy_is_the_client(said: list[str], client: str) -> None:
    assert BEHIND.of("127.0.0.1", said) == Origin(client)
    assert BESIDE.of("10.9.9.9", said) == Origin(client)


@pytest.mark.parametrize(
    "made_up", ["1.2.3.4", "10.0.0.1", "127.0.0.1", "nonsense", "", "1.2.3.4, 5.6.7.8", "x" * 9000]
)
def test_what_a_client_makes_up_stands_left_of_its_address_and_changes_nothing(made_up: str) -> None:
    assert BEHIND.of("127.0.0.1", [f"{made_up}, 203.0.113.9"]) == Origin("203.0.113.9")
    assert BEHIND.of("127.0.0.1", [made_up, "203.0.113.9, 10.1.2.3"]) == Origin("203.0.113.9")
    assert BESIDE.of("203.0.113.9", [made_up]) == Origin("203.0.113.9"), "the peer is no proxy, so it is the client"


@pytest.mark.parametrize(
    "said",
    [[], [""], ["10.1.2.3"], ["unknown"], ["203.0.113.9, unknown"], ["203.0.113.9,"], ["203.0.113.9, 10.0.0.1, ?"]],
)
def test_where_no_proxy_vouches_for_a_client_it_is_one_of_many(said: list[str]) -> None:
    assert BEHIND.of("127.0.0.1", said) == THROUGH_A_PROXY
    assert BESIDE.of("10.9.9.9", said) == THROUGH_A_PROXY


def test_two_addresses_of_one_ipv6_network_count_as_one() -> None:
    assert Origins(()).of("2001:db8::1") == Origins(()).of("2001:db8::ffff:1") != Origins(()).of("2001:db8:0:1::1")


def test_a_thousand_hops_are_not_all_looked_at() -> None:
    assert BEHIND.of("127.0.0.1", [", ".join(["203.0.113.9", *["10.0.0.1"] * 1000])]) == THROUGH_A_PROXY


def test_a_connection_without_an_address_is_one_of_many() -> None:
    assert Origins(()).of(None) == THROUGH_A_PROXY


@pytest.mark.parametrize("text", ["10.0.0.0/8, proxy.local", "10.0.0.1/8", "300.1.1.1", "10.0.0.0/8,,", ";"])
def test_a_list_of_proxies_that_cannot_be_read_names_its_part(text: str) -> None:
    with pytest.raises(MisuseError, match=r"AXIOM_TRUSTED_PROXIES=.* is no address and no network"):
        load_settings(trusted_proxies=text)


def test_a_list_of_proxies_holds_addresses_and_networks() -> None:
    found = networks(load_settings(trusted_proxies="10.0.0.0/8, 192.0.2.7 ,fd00::/8").trusted_proxies)
    assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]
    assert networks(None) == ()
