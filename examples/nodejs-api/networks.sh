# shellcheck shell=bash disable=SC2034,SC2154 # shared with run.sh
# The networks of the example on one machine; `run.sh` reads this file.
#
# Three network namespaces, three machines as far as the kernel is concerned:
#
#   monitoring_corp  198.51.100.2 ──dials──▶ ┐
#                                            ├ 203.0.113.1:4480  administrator (the server)
#   travel_app_corp  198.51.100.6 ──dials──▶ ┘
#
# A company's only route leads to the server, the server's machine forwards nothing, and the company's firewall drops
# whatever it did not ask for. Nothing of this touches the networks of the machine itself. Where namespaces may not be
# made, all three run as plain processes on 127.0.0.1, and what a network would have kept apart is not shown.

machines=(administrator monitoring_corp travel_app_corp)
server_ip=203.0.113.1
monitoring_corp_ip=198.51.100.2
travel_app_corp_ip=198.51.100.6

# The name of a machine's namespace. It carries a number made of the folder's name, so that two runs of the example in
# two folders keep out of each other's way.
namespace() { echo "postern-example-$(cksum <<< "$state" | cut -d ' ' -f 1)-$1"; }

# Prints why namespaces can't be used here, or nothing.
why_no_namespaces() {
    if [ "${EXAMPLE_NETWORKS:-}" = none ]; then echo "EXAMPLE_NETWORKS=none"; return; fi
    if [ "$(id -u)" != 0 ]; then echo "it takes root to make them"; return; fi
    if ! type ip &> /dev/null; then echo "the program ip is missing (package iproute2)"; return; fi
    if ! type nft &> /dev/null && ! type iptables &> /dev/null; then
        echo "neither nft nor iptables is here (package nftables)"; return
    fi
    local probe; probe=$(namespace probe)
    if ! ip netns add "$probe" 2> /dev/null; then echo "this machine does not allow \`ip netns add\`"; return; fi
    if ! close_to_the_outside "$probe" 2> /dev/null; then echo "this machine's kernel has no firewall"; fi
    ip netns delete "$probe"
}

create_networks() {
    local why; why=$(why_no_namespaces)
    if [ -n "$why" ]; then
        say "No network namespaces ($why): everything runs as plain processes on 127.0.0.1."
        echo none > "$state/networks"
        return
    fi
    echo namespaces > "$state/networks"
    local machine server
    for machine in "${machines[@]}"; do
        ip netns add "$(namespace "$machine")"
        ip -n "$(namespace "$machine")" link set lo up
    done
    server=$(namespace administrator)
    ip netns exec "$server" sysctl -qw net.ipv4.ip_forward=0
    ip -n "$server" address add "$server_ip/32" dev lo
    connect monitoring_corp "$monitoring_corp_ip" 198.51.100.1
    connect travel_app_corp "$travel_app_corp_ip" 198.51.100.5
}

# Lays a cable between a company's machine and the server's, and gives the company one route: to the server.
connect() {
    local company=$1 ip=$2 gateway=$3 inside outside
    inside=$(namespace "$company")
    outside=$(namespace administrator)
    # Linux allows 15 characters for the name of a network interface.
    ip link add eth0 netns "$inside" type veth peer name "${company:0:15}" netns "$outside"
    ip -n "$inside" link set eth0 addrgenmode none up
    ip -n "$outside" link set "${company:0:15}" addrgenmode none up
    ip -n "$inside" address add "$ip/30" dev eth0
    ip -n "$outside" address add "$gateway/30" dev "${company:0:15}"
    ip -n "$inside" route add "$server_ip/32" via "$gateway"
    close_to_the_outside "$inside"
}

# The company's firewall: answers to what was asked from inside may enter, and nothing else.
close_to_the_outside() {
    if type nft &> /dev/null; then
        ip netns exec "$1" nft -f - << 'EOS'
table inet company {
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
    }
}
EOS
    else
        ip netns exec "$1" iptables -A INPUT -i lo -j ACCEPT &&
            ip netns exec "$1" iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT &&
            ip netns exec "$1" iptables -P INPUT DROP
    fi
}

has_namespaces() { [ "$(cat "$state/networks" 2> /dev/null)" = namespaces ]; }

# Runs a command in a machine's network.
within() {
    local machine=$1; shift
    if has_namespaces; then ip netns exec "$(namespace "$machine")" "$@"; else "$@"; fi
}

# Ends what still runs in the namespaces, all of it ours, and deletes them; the cables go with them.
remove_networks() {
    local machine name pids
    type ip &> /dev/null || return 0
    for machine in "${machines[@]}"; do
        name=$(namespace "$machine")
        [ -e "/run/netns/$name" ] || continue
        pids=$(ip netns pids "$name")
        # shellcheck disable=SC2086 # one argument for each process
        [ -z "$pids" ] || kill -KILL $pids || true
        ip netns delete "$name"
    done
}
