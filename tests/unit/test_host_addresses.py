"""Which addresses of a machine viewers are told, and in which order they are tried."""

import pytest

from pod.media.live.host_addresses import BEST_PREFERENCE, MOST_ADDRESSES, host_addresses, ranked

LAN, LAN6, VPN = ("eth0", "192.168.1.20"), ("eth0", "2001:db8::20"), ("tailscale0", "100.101.102.103")
DOCKER = ("docker0", "172.17.0.1")


def ips(*found: tuple[str, str]) -> list[str]:
    return [address.ip for address in ranked(found)]


def test_the_local_network_comes_before_vpns_and_those_before_what_a_machine_gave_itself() -> None:
    itself = ("eth1", "169.254.7.7")
    assert ips(itself, VPN, LAN, LAN6) == [LAN6[1], LAN[1], VPN[1], itself[1]]


def test_each_address_has_a_preference_of_its_own() -> None:
    preferences = [address.preference for address in ranked([VPN, LAN, LAN6])]
    assert preferences == [BEST_PREFERENCE, BEST_PREFERENCE - 1, BEST_PREFERENCE - 2]


@pytest.mark.parametrize(
    ("interface", "address"),
    [
        pytest.param("eth0", "100.64.0.1", id="an address that providers and VPNs share"),
        pytest.param("wg0", "10.8.0.2", id="WireGuard"),
        pytest.param("tun0", "10.9.0.2", id="OpenVPN"),
        pytest.param("tailscale0", "fd7a:115c:a1e0::1", id="IPv6 of Tailscale"),
    ],
)
def test_a_way_that_costs_more_comes_after_the_local_network(interface: str, address: str) -> None:
    assert ips((interface, address), LAN) == [LAN[1], address]


@pytest.mark.parametrize(
    "interface", ["docker0", "br-0123456789ab", "veth12ab", "virbr0", "cni0", "podman1", "lxcbr0"]
)
def test_bridges_to_containers_are_told_to_nobody(interface: str) -> None:
    assert ips((interface, "172.18.0.1"), LAN) == [LAN[1]]


@pytest.mark.parametrize("interface", ["br0", "br-lan", "bridge0", "eth0.20", "wlan0", "enp3s0"])
def test_a_bridge_that_somebody_made_to_a_real_network_is_told(interface: str) -> None:
    assert ips((interface, "192.168.7.1")) == ["192.168.7.1"]


def test_where_a_machine_has_nothing_but_a_container_s_network_it_is_told() -> None:
    assert ips(("lo", "127.0.0.1"), DOCKER) == [DOCKER[1]]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.3.0.1", id="another of loopback"),
        pytest.param("::1", id="loopback of IPv6"),
        pytest.param("fe80::1", id="of one link alone"),
    ],
)
def test_an_address_that_leads_nobody_here_is_left_out(address: str) -> None:
    assert ips(("eth0", address)) == []


def test_an_address_of_two_interfaces_is_told_once() -> None:
    assert ips(LAN, ("eth1", LAN[1])) == [LAN[1]]


def test_a_machine_of_many_addresses_tells_the_best_of_them() -> None:
    many = [("wg0", f"10.8.0.{last}") for last in range(1, 200)]
    assert len(ips(*many, LAN)) == MOST_ADDRESSES
    assert ips(*many, LAN)[0] == LAN[1]


def test_this_machine_s_own_addresses_are_found() -> None:
    assert all(not address.ip.startswith("127.") for address in host_addresses())
