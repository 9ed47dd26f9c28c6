#!/usr/bin/env bash
set -ex

# The start script of Monitoring Corp.'s machine, the one beside the API. Before it runs, `run.sh` has put the
# enrollment ticket in the place of the variable below.

# Run `postern project enroll ...`
#
# This makes an identity whose private key never leaves this machine, and shows the ticket to the project's authority.
# The ticket says which server and which authority to trust, so nothing is trusted on first use. The authority answers
# with a credential that attests the attributes of the ticket: monitoring-api-outlet="true".
postern project enroll "$ENROLLMENT_TICKET"

# Create a node, the process that keeps everything below alive.
#
# Hold the relay `monitoring-api`: other members of the project reach this node there, over a connection that this node
# has dialled. The relay passes on ciphertext that it cannot read.
#
# Create a policy: only members whose credential says monitoring-api-inlet="true" may use the outlets of this node.
#
# Create the outlet to the API.
postern node create
postern relay create monitoring-api
postern policy create --resource-type tcp-outlet --expression '(= subject.monitoring-api-inlet "true")'
postern tcp-outlet create --to "localhost:${API_PORT:-3000}"
