#!/usr/bin/env bash
set -euo pipefail

# THIS SCRIPT HAS NOT BEEN RUN BY US: there was no AWS account to run it in. It has been read by shellcheck, its start
# scripts are those that `run.sh` runs, and its AWS steps are those of the walkthrough that it follows. Expect to have
# to put something right, and check with `./aws.sh cleanup` and in the AWS console that nothing is left that costs money.
#
# This script, `./aws.sh`, is invoked on a developer's work machine. It connects a Node.js app in one Amazon VPC with a
# Node.js API in another through an end-to-end encrypted portal, with a Postern server of your own in a third.
#
#   ./aws.sh            creates three VPCs with an EC2 instance each, and runs the example
#   ./aws.sh cleanup    deletes every AWS resource that it created
#
# It needs bash, npm, ssh, curl and the AWS CLI, logged in to your account (`aws sso login`).

cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p .aws
export AWS_PAGER="" AWS_DEFAULT_OUTPUT=text
readonly node_version=v24.21.0
readonly networks=(server monitoring-corp travel-app-corp)

run() {
    # Pack the program. In a setup of yours it would come from your package registry.
    package=$(cd ../.. && npm pack --silent --pack-destination "$OLDPWD/.aws")

    # The server's network is the only one that lets anybody in: nodes dial port 4480.
    create_network server 4480
    create_instance server install_postern
    on server "POSTERN_LISTEN_NODES=0.0.0.0:4480 POSTERN_ADVERTISE=$(address_of server):4480 postern server start"

    # Become the administrator of a new project, and create two enrollment tickets; run.sh explains them.
    on server "postern enroll"
    monitoring_corp_ticket=$(on server "postern project ticket --usage-count 1 --expires-in 60m \
        --attribute monitoring-api-outlet=true --relay monitoring-api")
    travel_app_corp_ticket=$(on server "postern project ticket --usage-count 1 --expires-in 60m \
        --attribute monitoring-api-inlet=true")

    # Monitoring Corp.: a network without ingress, apart from your SSH; the node; the API.
    create_network monitoring-corp
    create_instance monitoring-corp start_node monitoring_corp "$monitoring_corp_ticket"
    copy monitoring_corp/api.js monitoring-corp
    on monitoring-corp "nohup node api.js &> output.log &"

    # Travel App Corp.: the same; the app.
    create_network travel-app-corp
    create_instance travel-app-corp start_node travel_app_corp "$travel_app_corp_ticket"
    copy travel_app_corp/client.js travel-app-corp
    on travel-app-corp "node client.js"
}

# ----------------------------------------------------------------------------------------------------------------------
# START SCRIPTS, which an instance runs as root when it boots (its user data)

# Installs Node.js and the package, which arrives over SSH. The last line tells `create_instance` that it is done.
install_postern() {
    cat << EOS
#!/bin/bash
set -ex
cd /home/ec2-user
curl --proto '=https' --tlsv1.2 -sSfL https://nodejs.org/dist/$node_version/node-$node_version-linux-x64.tar.gz |
    tar -xz -C /usr/local --strip-components=1
until [ -f package.tgz ]; do sleep 2; done
npm install --global --ignore-scripts ./package.tgz
EOS
    [ $# -gt 0 ] || echo "touch /home/ec2-user/is-ready"
}

# The same, and then the company's own start script as the user ec2-user, with its ticket in place.
start_node() {
    install_postern more
    echo "sudo --login -u ec2-user env PATH=/usr/local/bin:/usr/bin bash << 'END_OF_START_SCRIPT'"
    sed "s/\$ENROLLMENT_TICKET/$2/g" "$1/run_postern.sh"
    echo "END_OF_START_SCRIPT"
    echo "touch /home/ec2-user/is-ready"
}

# ----------------------------------------------------------------------------------------------------------------------
# NETWORKS AND INSTANCES

# create_network NAME [PORT]: a VPC whose instances may dial out; SSH from your address may enter, and PORT from anywhere.
create_network() {
    local vpc_id gw_id rtb_id az subnet_id sg_id

    # Create a new VPC and tag it.
    vpc_id=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query 'Vpc.VpcId')
    aws ec2 create-tags --resources "$vpc_id" --tags "Key=Name,Value=$prefix-$1-vpc"

    # Create an Internet gateway and attach it to the VPC.
    gw_id=$(aws ec2 create-internet-gateway --query 'InternetGateway.InternetGatewayId')
    aws ec2 attach-internet-gateway --vpc-id "$vpc_id" --internet-gateway-id "$gw_id"

    # Create a route table and a route to the Internet through the gateway.
    rtb_id=$(aws ec2 create-route-table --vpc-id "$vpc_id" --query 'RouteTable.RouteTableId')
    aws ec2 create-route --route-table-id "$rtb_id" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gw_id"

    # Create a subnet and associate the route table.
    az=$(aws ec2 describe-availability-zones --query 'AvailabilityZones[0].ZoneName')
    subnet_id=$(aws ec2 create-subnet --vpc-id "$vpc_id" --cidr-block 10.0.0.0/24 \
        --availability-zone "$az" --query 'Subnet.SubnetId')
    aws ec2 create-tags --resources "$subnet_id" --tags "Key=Name,Value=$prefix-$1-subnet"
    aws ec2 modify-subnet-attribute --subnet-id "$subnet_id" --map-public-ip-on-launch
    aws ec2 associate-route-table --subnet-id "$subnet_id" --route-table-id "$rtb_id"

    # Create a security group. A new one allows egress to anywhere and no ingress at all.
    sg_id=$(aws ec2 create-security-group --group-name "$prefix-$1-sg" --vpc-id "$vpc_id" --query 'GroupId' \
        --description "TCP egress and SSH ingress")
    aws ec2 authorize-security-group-ingress --group-id "$sg_id" --protocol tcp --port 22 \
        --cidr "$(curl -sSf https://checkip.amazonaws.com)/32"
    [ $# -eq 1 ] ||
        aws ec2 authorize-security-group-ingress --group-id "$sg_id" --protocol tcp --port "$2" --cidr 0.0.0.0/0
}

# create_instance NAME START_SCRIPT ...: an EC2 instance in the network of that name; returns when its start script ended.
create_instance() {
    local name=$1 ami_id subnet_id sg_id instance_id; shift
    ami_id=$(aws ec2 describe-images --owners 137112412989 --query 'Images | sort_by(@, &CreationDate) | [-1].ImageId' \
        --filters "Name=name,Values=al2023-ami-2023*" "Name=architecture,Values=x86_64" \
                  "Name=virtualization-type,Values=hvm" "Name=root-device-type,Values=ebs")
    (umask 077 && aws ec2 create-key-pair --key-name "$prefix-$name-key" --query 'KeyMaterial' > ".aws/$name.pem")
    subnet_id=$(aws ec2 describe-subnets --filters "Name=tag:Name,Values=$prefix-$name-subnet" \
        --query 'Subnets[0].SubnetId')
    sg_id=$(aws ec2 describe-security-groups --filters "Name=group-name,Values=$prefix-$name-sg" \
        --query 'SecurityGroups[0].GroupId')

    (umask 077 && "$@" > .aws/user_data.sh)
    instance_id=$(aws ec2 run-instances --image-id "$ami_id" --instance-type t2.micro --subnet-id "$subnet_id" \
        --security-group-ids "$sg_id" --key-name "$prefix-$name-key" --user-data file://.aws/user_data.sh \
        --query 'Instances[0].InstanceId')
    rm .aws/user_data.sh
    aws ec2 create-tags --resources "$instance_id" --tags "Key=Name,Value=$prefix-$name-ec2-instance"
    aws ec2 wait instance-running --instance-ids "$instance_id"

    until copy ".aws/$package" "$name"; do sleep 10; done
    on "$name" "mv '$package' package.tgz; timeout 600 bash -c 'until [ -f is-ready ]; do sleep 2; done'"
}

address_of() {
    aws ec2 describe-instances --query 'Reservations[0].Instances[0].PublicIpAddress' --filters \
        "Name=tag:Name,Values=$prefix-$1-ec2-instance" "Name=instance-state-name,Values=running"
}

# on NAME COMMAND: runs a command on that instance. `copy FILE NAME` copies a file into its home.
on() { ssh "${ssh_options[@]}" -i ".aws/$1.pem" "ec2-user@$(address_of "$1")" "PATH=/usr/local/bin:\$PATH; $2"; }
copy() { scp "${ssh_options[@]}" -i ".aws/$2.pem" "$1" "ec2-user@$(address_of "$2"):"; }
ssh_options=(-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=.aws/known_hosts -o ConnectTimeout=10)

# ----------------------------------------------------------------------------------------------------------------------
# CLEANUP

cleanup() {
    for name in "${networks[@]}"; do delete_instances "$name"; delete_network "$name"; done
    rm -rf .aws
}

delete_instances() {
    local i
    for i in $(aws ec2 describe-instances --query 'Reservations[*].Instances[*].InstanceId' \
        --filters "Name=tag:Name,Values=$prefix-$1-ec2-instance"); do
        aws ec2 terminate-instances --instance-ids "$i"
        aws ec2 wait instance-terminated --instance-ids "$i"
    done
    aws ec2 delete-key-pair --key-name "$prefix-$1-key"
}

# shellcheck disable=SC2016 # backquotes of JMESPath
delete_network() {
    local vpc_id i
    for vpc_id in $(aws ec2 describe-vpcs --query 'Vpcs[*].VpcId' --filters "Name=tag:Name,Values=$prefix-$1-vpc"); do
        for i in $(aws ec2 describe-internet-gateways --query 'InternetGateways[*].InternetGatewayId' \
            --filters "Name=attachment.vpc-id,Values=$vpc_id"); do
            aws ec2 detach-internet-gateway --internet-gateway-id "$i" --vpc-id "$vpc_id"
            aws ec2 delete-internet-gateway --internet-gateway-id "$i"
        done
        for i in $(aws ec2 describe-subnets --query 'Subnets[*].SubnetId' --filters "Name=vpc-id,Values=$vpc_id"); do
            aws ec2 delete-subnet --subnet-id "$i"
        done
        for i in $(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc_id" \
            --query 'RouteTables[?length(Associations[?Main==`true`]) == `0`].RouteTableId'); do
            aws ec2 delete-route-table --route-table-id "$i"
        done
        for i in $(aws ec2 describe-security-groups --filters "Name=vpc-id,Values=$vpc_id" \
            --query 'SecurityGroups[?GroupName!=`default`].[GroupId]'); do
            aws ec2 delete-security-group --group-id "$i"
        done
        aws ec2 delete-vpc --vpc-id "$vpc_id"
    done
}

for program in aws curl npm ssh; do
    if ! type "$program" &> /dev/null; then echo "ERROR: Please install: $program" >&2; exit 1; fi
done
# Names carry the caller, so that two people of one account don't delete each other's resources.
prefix=postern-example-nodejs-api-$(aws sts get-caller-identity | cksum | cut -d ' ' -f 1)

case ${1:-} in
    '') run ;;
    cleanup) cleanup ;;
    *) echo "Usage: ./aws.sh [cleanup]" >&2; exit 1 ;;
esac
