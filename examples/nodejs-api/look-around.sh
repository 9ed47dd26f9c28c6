# shellcheck shell=bash
# shellcheck disable=SC2154 # the addresses come from run.sh and networks.sh
# What `run.sh` shows after the app got its answer: which other ways there are between the two companies. Every line is
# tried, not asserted; the first one that is not as it should be ends the run.

look_around() {
    say "What else can the two companies reach of each other?"
    if has_namespaces; then networks; else echo "  (networks not looked at: all three machines are this one)"; fi
    portals
}

# Below the portal: which addresses and ports each machine can dial.
networks() {
    check "Both companies can dial the server" reaches monitoring_corp "$server_ip" 4480
    check "" reaches travel_app_corp "$server_ip" 4480
    check "The app reaches the portal's inlet on its own machine" reaches travel_app_corp 127.0.0.1 "$inlet_port"
    check "Nobody outside reaches that inlet" refused administrator "$travel_app_corp_ip" "$inlet_port"
    check "Nobody outside reaches the API" refused administrator "$monitoring_corp_ip" "$api_port"
    check "Monitoring Corp. cannot dial Travel App Corp." refused monitoring_corp "$travel_app_corp_ip" "$inlet_port"
    check "Travel App Corp. cannot dial the API, portal apart" refused travel_app_corp "$monitoring_corp_ip" "$api_port"
    check "Monitoring Corp.'s other service runs, on all its addresses" reaches \
        monitoring_corp "$monitoring_corp_ip" "$payroll_port"
    check "Travel App Corp. cannot dial it" refused travel_app_corp "$monitoring_corp_ip" "$payroll_port"
    check "Nobody outside can" refused administrator "$monitoring_corp_ip" "$payroll_port"
}

# Through the portal: what the members of the project may do with each other.
portals() {
    check "Travel App Corp. gets an answer from the API" answers travel_app_corp "http://localhost:$inlet_port/status"

    # Monitoring Corp. also has an outlet to its payroll, for members with another attribute.
    on monitoring_corp postern tcp-outlet create --from payroll --to "localhost:$payroll_port" \
        --allow '(= subject.payroll-inlet "true")' &> /dev/null
    check "Travel App Corp. is denied Monitoring Corp.'s outlet payroll" no_portal travel_app_corp payroll monitoring-api
    check "Travel App Corp. cannot name an outlet that is not there" no_portal travel_app_corp ssh monitoring-api

    # To be reached one has to hold a relay, and Travel App Corp.'s ticket came without one.
    check "Travel App Corp. may not hold a relay" no_relay travel_app_corp travel-app
    check "Monitoring Corp. has no way to initiate a connection" no_portal monitoring_corp outlet travel-app
}

# check SENTENCE COMMAND ...: prints the sentence and what the command printed when it succeeds, ends the run otherwise.
check() {
    local sentence=$1 said; shift
    said=$("$@") || fail "  ✘ not so: ${sentence:-$*}"
    [ -z "$sentence" ] || echo "  ✔ $sentence"
    [ -z "$said" ] || echo "    $said"
}

# Can this machine open a TCP connection there? Two seconds are long between namespaces; a firewall never answers.
reaches() { on "$1" timeout 2 bash -c ": < /dev/tcp/$2/$3" 2> /dev/null; }
refused() { ! reaches "$@"; }

# Does an HTTP server answer there?
answers() {
    on "$1" node -e '
        fetch(process.argv[1], { signal: AbortSignal.timeout(5000) })
            .then((response) => response.text())
            .then(() => process.exit(0), () => process.exit(1));' "$2"
}

# no_portal MACHINE OUTLET RELAY: an inlet to that outlet does not come up and lets nothing through. Prints why.
no_portal() {
    local address
    address=$(on "$1" postern tcp-inlet create --alias attempt --to "$2" --via "$3" --connection-wait 2s 2> /dev/null)
    refused_by "$1" tcp-inlet attempt .status && ! answers "$1" "http://$address/status"
    local outcome=$?
    on "$1" postern tcp-inlet delete attempt --yes &> /dev/null
    return "$outcome"
}

# no_relay MACHINE NAME: the server does not give this machine that relay. Prints why.
no_relay() {
    on "$1" postern relay create "$2" &> /dev/null
    refused_by "$1" relay "$2" .connection_status
    local outcome=$?
    on "$1" postern relay delete "$2" --yes &> /dev/null
    return "$outcome"
}

# refused_by MACHINE FAMILY NAME STATUS_FIELD: is it down, and for which reason?
refused_by() {
    [ "$(on "$1" postern "$2" show "$3" --jq "$4")" != '"Up"' ] &&
        on "$1" postern "$2" show "$3" --jq .last_failure | sed 's/^"//; s/"$//; s/\\"/"/g'
}
