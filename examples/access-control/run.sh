#!/usr/bin/env bash
set -euo pipefail

# This script, `./run.sh`, runs a web app that leaves its sign-in to Kratos's API and its permissions to Keto's, both
# answered by one Postern server, and walks through it as two people in front of a browser would.
#
#   ./run.sh            runs the example and leaves it running, so that you can open it yourself
#   ./run.sh cleanup    removes everything: processes and files
#
# The app listens on port 8080 or $PORT, the server on Kratos's and Keto's own ports; where one of them is taken, all are
# free ones. DATABASE_URL names a PostgreSQL for the app's own database; without it, it is a file.

cd "$(dirname "${BASH_SOURCE[0]}")"
state=${EXAMPLE_STATE:-$PWD/.run}
checkout=$(cd ../.. && pwd)

run() {
    [ ! -e "$state" ] || fail "The example is here already, in $state. Remove it first: ./run.sh cleanup"
    [ -x "$checkout/node_modules/.bin/node" ] || "$checkout/bin/ensure-modules"
    mkdir -m 700 "$state"
    trap 'failed' EXIT
    choose_ports
    write_configuration

    # Start the server: accounts and permissions, each by the file that its own project reads.
    postern server start --config "$state/server.yaml" > /dev/null
    postern enroll > /dev/null

    # Start the app. It knows two addresses, and no password.
    env PORT="$app_port" APP_URL="$app_url" KRATOS_EXTERNAL_API_URL="http://127.0.0.1:$accounts_port" \
        KETO_API_READ_URL="http://127.0.0.1:$read_port" DATABASE_FILE="$state/visits.sqlite3" \
        nohup "$checkout/bin/with-node24" app.ts &> "$state/app.log" &
    echo $! > "$state/app.pid"
    wait_for "$app_url"

    # Somebody registers in the browser. Who they are is known then; what they may is not said yet.
    say "minkin.andrew@gmail.com"
    visit minkin.andrew@gmail.com opens registers-denied

    # An administrator lets this one person read the home page.
    say "Administrator"
    postern permission create "app:homepage#read@minkin.andrewgmail.com" > /dev/null
    echo "  ✔ lets minkin.andrew@gmail.com read the home page"

    say "minkin.andrew@gmail.com"
    visit minkin.andrew@gmail.com logs-in is-welcomed logs-out

    # Somebody else registers, and stays outside: nobody let them in.
    say "mallory@example.com"
    visit mallory@example.com opens registers-denied

    trap - EXIT
    say "The example run was successful"
    echo "It is still running: open $app_url, and remove everything with ./run.sh cleanup"
}

cleanup() {
    if [ -e "$state/app.pid" ]; then stop "$(cat "$state/app.pid")"; fi
    if [ -e "$state/server.yaml" ]; then postern server stop > /dev/null 2>&1 || true; fi
    rm -rf "$state"
    say "Nothing of the example is left."
}

# Ends a process and waits until it is gone.
stop() {
    while kill "$1" 2> /dev/null; do sleep 0.1; done
}

# `postern` of this checkout, with homes of its own.
postern() {
    env -u POSTERN_DATABASE -u OCKAM_HOME POSTERN_HOME="$state/home" POSTERN_SERVER_HOME="$state/server" \
        "${POSTERN:-$checkout/bin/postern}" "$@"
}

visit() { APP_URL=$app_url sh "$checkout/bin/with-node24" visitor.ts "$@"; }

# The ports that users of Kratos and Keto have in their files, or free ones when one of them is taken.
choose_ports() {
    read -r app_port accounts_port admin_port read_port write_port metrics_port opl_port nodes_port <<< "$(
        sh "$checkout/bin/with-node24" ports.ts "${PORT:-8080}" 4433 4434 4466 4467 4468 4469 4480)"
    app_url=http://127.0.0.1:$app_port/
}

write_configuration() {
    local file
    for file in kratos.yml keto.yml; do
        # Whole numbers alone: a free port that was just filled in may begin with one of the others.
        sed -E -e "s/:8080\\b/:$app_port/g; s/:4433\\b/:$accounts_port/g; s/:4434\\b/:$admin_port/g" \
            -e "s/port: 4466\\b/port: $read_port/; s/port: 4467\\b/port: $write_port/" $file > "$state/$file"
    done
    cp identity.schema.json "$state/"
    cat > "$state/server.yaml" <<END
listen:
  public: 127.0.0.1:$accounts_port
  nodes: 127.0.0.1:$nodes_port
accounts:
  kratos: ./kratos.yml
  admin: { listen: "127.0.0.1:$admin_port" }
permissions: ./keto.yml
END
    export POSTERN_LISTEN_PERMISSIONS_METRICS=127.0.0.1:$metrics_port POSTERN_LISTEN_PERMISSIONS_OPL=127.0.0.1:$opl_port
}

wait_for() {
    local tries
    for tries in $(seq 100); do
        if curl -s -o /dev/null "$1"; then return; fi
        sleep 0.1
    done
    fail "$1 did not answer after $tries tries; see $state/app.log"
}

failed() {
    echo "The example run failed. What the app said:" >&2
    cat "$state/app.log" >&2 2> /dev/null || true
    echo "Remove what is left with: ./run.sh cleanup" >&2
}

say() { printf '\n%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

case ${1:-} in
    '') run ;;
    cleanup) cleanup ;;
    *) fail "Usage: ./run.sh [cleanup]" ;;
esac
