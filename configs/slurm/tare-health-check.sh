#!/bin/sh
# Slurm's health check on a node with Tare: as root, /etc/slurm/tare-health-check, 0755. In slurm.conf:
#
#   HealthCheckProgram=/etc/slurm/tare-health-check
#   HealthCheckInterval=20
#   HealthCheckNodeState=ANY
#
# It drains the node, with the reason, when Tare cannot work there, and resumes it when it can again, unless an administrator has drained it
# meanwhile. Running jobs stay. The controller is asked while the node is not healthy, when it is again, and once after each boot.

health=/usr/libexec/tare-health # configs/htcondor/tare-health.sh, which asks nothing of HTCondor
folder=/opt/tare
node_state=/var/lib/tare/node
oldest=60 # seconds that what root's timer found counts
kept=/run/tare-slurm

me=${SLURMD_NODENAME:-$(hostname -s)}
mkdir -p "$kept" && cd "$kept" || exit 0

answer=$(timeout -k 1 45 "$health" "$folder" "$node_state" "$oldest" 2>/dev/null)
reason=
case $answer in
  'TareHealthy = True'*) ;;
  '') reason="$health does not answer" ;;
  *) reason=$(printf '%s\n' "$answer" | sed -n 's/^TareReason = "\(.*\)"$/\1/p' | cut -c 1-200)
    : "${reason:=not healthy}" ;;
esac
[ -z "$reason" ] && [ -e healthy ] && exit 0

node=$(timeout -k 1 10 scontrol --oneliner show node "$me") || exit 0 # no controller: the next time
state=${node#* State=} state=${state%% *}
case $state/$node in
  *DRAIN*/*' Reason=tare: '*) by=tare ;;
  *DRAIN*/*) by=others ;;
  *) by=nobody ;;
esac
set_state() { timeout -k 1 10 scontrol update NodeName="$me" State="$@"; }
if [ -n "$reason" ]; then
  rm -f healthy
  case $by in
    others) ;;
    tare) case $node in *" Reason=tare: $reason ["*) ;; *) set_state DRAIN Reason="tare: $reason" ;; esac ;;
    nobody) set_state DRAIN Reason="tare: $reason" ;;
  esac
elif [ $by != tare ] || set_state RESUME; then
  : >healthy
fi
exit 0
