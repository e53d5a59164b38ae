#!/bin/sh
# Instead of a health check, or beside it: Slurm's Prolog, as root before each job (slurm.conf: Prolog=/etc/slurm/tare-prolog). One that fails
# makes Slurm drain the node ("Prolog error") and put the job back; with SchedulerParameters=nohold_on_prolog_fail the job is not held.
# Nothing resumes the node but an administrator.

mkdir -p /run/tare-slurm && cd /run/tare-slurm || exit 0
case $(timeout -k 1 45 /usr/libexec/tare-health /opt/tare /var/lib/tare/node 60) in
  'TareHealthy = True'*) exit 0 ;;
  *) exit 1 ;;
esac
