/**
 * The runtime environment script `ENV/TARE` and A-REX's callout, with comments that give their reasons. The same texts are
 * in configs/arc/, which a test compares. Pure.
 *
 * ARC runs the script three times (lrms_common.sh and submit_common.sh of ARC 7): stage 0 on the CE, sourced by the submit script in bash or
 * dash; 1 and 2 on the node, as a function of the job's script, around the payload.
 */

/** What a site sets when it installs the runtime environment. */
export interface Defaults {
  /** Path of tare-wrap on the nodes. */
  wrapper: string;
}

/** A value that can stand in the script: what could end a word there, or begin a line of what is told, is refused. */
export const isPlain = (value: string): boolean => /^\/[\w./+@%:,-]*$/.test(value);

/** The shell script of the runtime environment ENV/TARE, with the site's path of tare-wrap in it. */
export const runtimeEnvironment = ({wrapper}: Defaults): string => SCRIPT.replaceAll('/opt/tare/bin/tare-wrap', () => wrapper);

const SCRIPT = String.raw`# description: runs the job in a box that keeps its limits, and weighs it for accounting (Tare)
# param:TARE_WRAPPER:string:/opt/tare/bin/tare-wrap:path of tare-wrap on the nodes; a node without it runs the job unwrapped
# param:TARE_POLICY:string::path of the policy on the nodes, in /etc/tare/policies; empty: the node's own, /etc/tare/policy.yaml
# param:TARE_PATTERN:string::pattern of jobs that name none and have no descriptor: ulimit++ or quotas++; empty: by what they run
# param:TARE_JOB:string::descriptor of jobs that name none: path on the nodes, or in the session directory
#
# For all jobs:  arcctl rte default ENV/TARE
# In a job:      (runTimeEnvironment="ENV/TARE" "pattern=quotas++" "job=tare.yaml")

case "$1" in
0)
  # On the CE. Everything that the node is to know goes into one variable of the job's, which is set after the user's own.
  # The first line of a key counts: what the site says comes before what a user may have chosen.
  tare_first=$(printf '%s' "$joboption_arg_0" | sed 's/[\\"]/\\&/g')
  case "$joboption_args" in
  " \"$tare_first\""*) tare_in_front=no ;;
  *) tare_in_front=yes ;; # another runtime environment: a container, say
  esac
  tare_local=$(control_path "$joboption_controldir" "$joboption_gridid" local)
  tare_told="wrapper=${'$'}{TARE_WRAPPER:-/opt/tare/bin/tare-wrap}
policy=$TARE_POLICY
pattern=$TARE_PATTERN
job=$TARE_JOB
inFront=$tare_in_front
ce=$CONFIG_hostname
id=$joboption_gridid
lrms=$joboption_lrms
queue=$joboption_queue
count=$joboption_count
perNode=$joboption_countpernode
memory=$joboption_memory
walltime=$joboption_walltime
cputime=$joboption_cputime
$(sed -n -e 's/^subject=/subject=/p' -e 's/^voms=/fqan=/p' "$tare_local" 2>/dev/null)
name=$(printf '%s' "$joboption_jobname" | tr '\n' ' ')"
  tare_n=0
  while eval "[ -n \"\${joboption_env_$tare_n+x}\" ]"; do tare_n=$((tare_n + 1)); done
  eval "joboption_env_$tare_n=TARE_ARC=\$tare_told"
  # TARE_RUN is set on the node. The shell in between is for an image that the wrapper is not in: the job then runs unwrapped there.
  joboption_args="\${TARE_RUN:+/bin/sh -c 'test -x \"\$0\" && exec \"\$0\" \"\$@\"; exec \"\$@\"' \"\$TARE_RUN\"} $joboption_args"
  unset tare_first tare_in_front tare_local tare_told tare_n
  ;;
1)
  # On the node, before the payload.
  TARE_RUN=${'$'}{TARE_ARC#wrapper=}
  TARE_RUN=${'$'}{TARE_RUN%%
*}
  if [ -x "$TARE_RUN" ]; then
    shift
    TARE_ARC_JOB=$(printf '%s\n' "$@")
    TARE_ARC="$TARE_ARC
diag=$RUNTIME_JOB_DIAG
script=$$
parent=$PPID
spent=${'$'}{SECONDS:-0}"
    export TARE_ARC TARE_ARC_JOB
    # HTCondor's word for a wrapper that it calls itself: ARC would lose a job that goes back to the queue
    unset _CONDOR_WRAPPER_ERROR_FILE
  else
    echo "ENV/TARE: there is no $TARE_RUN on this node; the job runs unwrapped" 1>&2
    TARE_RUN=
  fi
  ;;
2)
  # On the node, after the payload. Tare's figures become the last of .diag, and these count; where there are none, ARC's own do.
  if [ -n "$TARE_RUN" ]; then
    sed -n 's/^tare_reason=/ENV\/TARE: /p' "$RUNTIME_JOB_DIAG" 2>/dev/null | tail -n 1 1>&2
    trap 'awk "/^tare_record=/ {s = \"\"} /^tare_[A-Z]/ {s = s substr(\$0, 6) \"\\n\"} END {printf \"%s\", s}" "$RUNTIME_JOB_DIAG" >>"$RUNTIME_JOB_DIAG"' EXIT
  fi
  ;;
esac
true
`;

/** The shell script of A-REX's state callout, which `tare arc rte --callout` prints. */
export const CALLOUT = String.raw`#!/bin/sh
# Tare's last word on a job's figures, and on why it failed: a callout of A-REX, as root on the CE.
#
#   [arex]
#   statecallout = FINISHING timeout=20,onfailure=pass,ontimeout=pass /etc/arc/tare-finishing %C %I
#
# Needed where ARC takes CPU and wall time from the batch system (HTCondor, Slurm), and for a job that was killed before its script ended.
# What the job's user can write is taken for what it is: numbers and one line of plain text.

control=$1
id=$2
directory=$control/jobs/$(printf '%s' "$id" | sed 's#\(...\)\(...\)\(...\)#\1/\2/\3/#')
diag=$directory/diag
[ -f "$diag" ] && [ ! -L "$diag" ] || exit 0

figures=$(awk '
  /^tare_record=/ {s = ""}
  /^tare_(WallTime|UserTime|KernelTime)=[0-9]+s *$/ || /^tare_MaxResidentMemory=[0-9]+kB *$/ {s = s substr($0, 6) "\n"}
  END {printf "%s", s}' "$diag")
[ -z "$figures" ] || printf '\n%s\n' "$figures" >>"$diag"

# A-REX says of a failure what the batch system said, which is often no more than an exit code.
failed=$directory/failed
reason=$(sed -n 's/^tare_reason=//p' "$diag" | tail -n 1 | tr -cd ' -~' | cut -c 1-300)
code=$(sed -n 's/^exitcode=//p' "$diag" | tail -n 1)
# a file of that name means that the job has failed; A-REX adds its own words later
if [ -n "$reason" ] && [ ! -L "$failed" ] && { [ -f "$failed" ] || [ "${'$'}{code:-0}" != 0 ]; }; then
  printf 'Tare: %s\n' "$reason" >>"$failed"
fi
exit 0
`;
