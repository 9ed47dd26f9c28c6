#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

# This script, `./run.sh`, connects an app of one company to the API of another company through an end-to-end encrypted
# portal. Both companies, and the server between them, are on this one machine: three homes, three network namespaces.
#
#   ./run.sh            runs the example and leaves it running, so that you can look around
#   ./run.sh on MACHINE COMMAND ...
#                       runs a command on administrator, monitoring_corp or travel_app_corp while it runs
#   ./run.sh cleanup    removes everything: processes, networks, folders
#
# It needs root for the namespaces; without them it says so and runs everything as plain processes.

cd "$(dirname "${BASH_SOURCE[0]}")"
state=${EXAMPLE_STATE:-$PWD/.run}
checkout=$(cd ../.. && pwd)

source ./networks.sh
source ./look-around.sh

run() {
    [ ! -e "$state" ] || fail "The example is here already, in $state. Remove it first: ./run.sh cleanup"
    mkdir -m 700 "$state" "$state/bin" "${machines[@]/#/$state/}"
    put_programs_on_the_path
    create_networks
    choose_addresses

    # Start a server.
    #
    # Both companies can dial it, and neither has to trust it with a byte of what they say to each other. It is the
    # authority, which says who is a member of the project with which attributes, and the relay, where the two
    # companies' outgoing connections meet.
    say "Administrator"
    POSTERN_LISTEN_NODES=$server_address POSTERN_LISTEN_PUBLIC=127.0.0.1:0 POSTERN_PERMISSIONS=off POSTERN_ACCOUNTS=off \
        on administrator postern server start > /dev/null

    # Run `postern enroll`.
    #
    # It creates a cryptographic identity, makes a project and makes you its administrator. On the server's own machine
    # this needs no sign-in: who may open the server's admin socket is the administrator.
    on administrator postern enroll > /dev/null

    # Create an enrollment ticket for the node that will run beside the API, in monitoring_corp's network.
    #
    # It can be redeemed once, within 60 minutes. The identity that redeems it gets a credential with the attribute
    # monitoring-api-outlet=true, and may hold the relay `monitoring-api`.
    monitoring_corp_ticket=$(on administrator postern project ticket --usage-count 1 --expires-in 60m \
        --attribute "monitoring-api-outlet=true" --relay monitoring-api)

    # Create an enrollment ticket for the node that will run beside the app, in travel_app_corp's network.
    #
    # The identity that redeems it gets a credential with the attribute monitoring-api-inlet=true.
    travel_app_corp_ticket=$(on administrator postern project ticket --usage-count 1 --expires-in 60m \
        --attribute "monitoring-api-inlet=true")

    # Provision Monitoring Corp.'s machine: its ticket goes into its start script, and the script runs over there.
    # Then start the API, and beside it another service, which is nobody else's business.
    say "Monitoring Corp."
    sed "s/\$ENROLLMENT_TICKET/${monitoring_corp_ticket}/g" monitoring_corp/run_postern.sh \
        > "$state/monitoring_corp/user_data.sh"
    on monitoring_corp bash "$state/monitoring_corp/user_data.sh" > /dev/null
    start monitoring_corp api node "$PWD/monitoring_corp/api.js"
    API_HOST=$payroll_host API_PORT=$payroll_port start monitoring_corp payroll node "$PWD/monitoring_corp/api.js"

    # Provision Travel App Corp.'s machine in the same way, and run its app.
    say "Travel App Corp."
    sed "s/\$ENROLLMENT_TICKET/${travel_app_corp_ticket}/g" travel_app_corp/run_postern.sh \
        > "$state/travel_app_corp/user_data.sh"
    on travel_app_corp bash "$state/travel_app_corp/user_data.sh" > /dev/null
    say "Travel App Corp.'s app"
    on travel_app_corp node travel_app_corp/client.js

    # Look at what else the two companies can reach of each other: nothing.
    look_around
    say "It is still running. Look around (README.md says how), then remove everything: ./run.sh cleanup"
}

cleanup() {
    if [ -x "$state/bin/postern" ]; then
        for machine in monitoring_corp travel_app_corp; do
            on "$machine" postern node delete --all --yes > /dev/null 2>&1 || true
        done
        for pid_file in "$state"/*/*.pid; do
            [ ! -e "$pid_file" ] || kill "$(cat "$pid_file")" 2> /dev/null || true
        done
        on administrator postern server stop > /dev/null 2>&1 || true
    fi
    remove_networks
    rm -rf "$state"
    say "Nothing of the example is left."
}

# Runs a command on a machine: in its network, with its home.
on() {
    local machine=$1; shift
    within "$machine" env -u POSTERN_HOME -u OCKAM_HOME -u POSTERN_SERVER_HOME -u POSTERN_DATABASE -u POSTERN_ADVERTISE \
        HOME="$state/$machine" PATH="$state/bin:$PATH" "$@"
}

# Starts a service on a machine and leaves it running: start MACHINE NAME COMMAND ...
start() {
    local machine=$1 name=$2; shift 2
    # shellcheck disable=SC2016 # for the shell over there
    on "$machine" bash -c 'cd; nohup "${@:2}" &> "$1.log" & echo $! > ~/"$1.pid"' - "$name" "$@"
}

# `postern` is this checkout's program, or $POSTERN; `node`, for the API and the app, is the one that came with it.
put_programs_on_the_path() {
    postern=$(type -P "${POSTERN:-$checkout/bin/postern}") || fail "There is no program ${POSTERN:-$checkout/bin/postern}"
    [ -x "$checkout/node_modules/.bin/node" ] || [ -n "${POSTERN:-}" ] || "$checkout/bin/ensure-modules"
    node=$(type -P "$checkout/node_modules/.bin/node" || type -P node) || fail "Please install Node.js 24"
    ln -sfn "$(realpath -s "$postern")" "$state/bin/postern"
    ln -sfn "$node" "$state/bin/node"
}

# In namespaces every machine has all ports to itself; as plain processes they share 127.0.0.1 and take free ones.
choose_addresses() {
    server_address=$server_ip:4480
    api_port=3000 payroll_port=3001 payroll_host=0.0.0.0 inlet_port=3000
    if has_namespaces; then return; fi
    read -r api_port payroll_port inlet_port <<< "$(free_ports)"
    server_address=127.0.0.1:0 payroll_host=127.0.0.1
    # The start scripts and the two programs have the document's addresses without these.
    export API_PORT=$api_port INLET_ADDRESS=127.0.0.1:$inlet_port API_URL=http://localhost:$inlet_port/status
}

free_ports() {
    "$state/bin/node" -e '
        const { createServer } = require("node:net");
        const open = () => new Promise((done) => { const s = createServer().listen(0, "127.0.0.1", () => done(s)); });
        Promise.all([open(), open(), open()]).then((servers) => {
            console.log(servers.map((s) => s.address().port).join(" "));
            for (const s of servers) s.close();
        });'
}

say() { printf '\n%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

case ${1:-} in
    '') run ;;
    cleanup) cleanup ;;
    on) if [ $# -lt 3 ] || [ ! -d "$state/$2" ]; then fail "Usage, while it runs: ./run.sh on MACHINE COMMAND ..."; fi
        "$@" ;;
    *) fail "Usage: ./run.sh [cleanup | on MACHINE COMMAND ...]" ;;
esac
