#!/bin/sh
# Makes the secrets of a deployment on this machine and puts them into a namespace of the cluster that kubectl points at.
#   deploy/k8s/secrets.sh NAMESPACE CONFIGURATION
# They stay in .pitwire/k8s/NAMESPACE, for its owner alone: keep that folder, or move it to where you keep secrets. Run
# again, it keeps what is there and changes what the configuration changed. Needs `make setup` and kubectl.
set -eu
cd "$(dirname "$0")/../.."
namespace="${1:?namespace}"
config="$(realpath "${2:?configuration file}")"
folder=".pitwire/k8s/$namespace"

PATH="$PWD/.venv/bin:$PATH" PITWIRE_CONFIG="$config" deploy/config/prepare.sh "$folder"

# put SECRET FOLDER: every file of the folder as one Secret.
put() {
    kubectl create secret generic "$1" --namespace "$namespace" --from-file="$2" --dry-run=client -o yaml |
        kubectl apply --namespace "$namespace" -f -
}
kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"
put pitwire-nats "$folder/nats"
put pitwire-database "$folder/database"
for name in provision market-data strategy risk-gate execution persistence operator auditor backtest researcher venue-sim; do
    put "pitwire-$name" "$folder/$name"
done
