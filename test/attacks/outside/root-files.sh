# attack: variables of a job's environment name files of root's, which root's wrapper removes, appends to or makes
# row: X2
cd /home/alice/job
precious a b c d
: >/home/alice/job/ad
condor() { _CONDOR_JOB_AD=/dev/null _CONDOR_SCRATCH_DIR=/tmp _CONDOR_WRAPPER_ERROR_FILE=$1 "$W" "$2"; }
condor /root/victim/a true 2>/dev/null
tell 'root removes or changes a file that _CONDOR_WRAPPER_ERROR_FILE names' changed a
condor /root/victim/b /nonexistent/program 2>/dev/null
tell 'root writes why a job failed to a file that _CONDOR_WRAPPER_ERROR_FILE names' changed b
TARE_ARC=diag=/root/victim/c "$W" true 2>/dev/null
tell 'root appends to a file that TARE_ARC names' changed c
chmod 700 /root/victim
evil='/home/alice/job/$(echo INJECTED >&2)'
mkdir -p "$evil"; chown alice "$evil"; cd "$evil"
printf 'schema: tare/job/v1\ndevices: [/dev/nvidia77]\n' >.tare.yaml; chown alice .tare.yaml
_CONDOR_JOB_AD=$evil/ad _CONDOR_SCRATCH_DIR=$evil _CONDOR_WRAPPER_ERROR_FILE=/root/victim/profile.sh "$W" true 2>/dev/null
tell 'root makes a file with words of the job’s' test -e /root/victim/profile.sh
