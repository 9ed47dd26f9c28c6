#!/usr/bin/env bash
set -ex

# The start script of Travel App Corp.'s machine, the one beside the app. Before it runs, `run.sh` has put the
# enrollment ticket in the place of the variable below.

# Run `postern project enroll ...`
#
# This makes an identity whose private key never leaves this machine, and shows the ticket to the project's authority.
# The authority answers with a credential that attests the attributes of the ticket: monitoring-api-inlet="true".
postern project enroll "$ENROLLMENT_TICKET"

# Create a node.
#
# Create a policy: the inlets of this node connect only to members whose credential says monitoring-api-outlet="true".
#
# Create the inlet: whatever connects to port 3000 of this machine reaches the API of the other company.
postern node create
postern policy create --resource-type tcp-inlet --expression '(= subject.monitoring-api-outlet "true")'
postern tcp-inlet create --from "${INLET_ADDRESS:-0.0.0.0:3000}" --via monitoring-api
