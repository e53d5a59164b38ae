/** The startd cron program that lies outside Tare's folder: the same text as configs/htcondor/tare-health.sh, which a test compares. */

export const healthProgram = `#!/bin/sh
# Whether this node should get jobs: what condor_startd asks (60-tare-node.conf). It lies outside Tare's folder, so that it notices when that
# is gone: /usr/libexec/condor/tare-health, of root, 0755. What root's timer found is read from a file, since Tare itself is too dear to start
# every 20 seconds; here it is started every ten minutes, after it changed, and where there is no such file.
#
#   tare-health FOLDER NODE OLDEST: Tare's folder, root's directory for the node's state, and how many seconds what root found counts.
# The working directory keeps what was said last, to tell the collector at once of a change.

folder=$1 node=$2 oldest=$3 kept=tare-health.last
now=$(date +%s)
healthy= reason= tried=0 said= then= rest=
{ read -r said tried then <"$kept"; } 2>/dev/null
case $tried in '' | *[!0-9]*) tried=0 ;; esac

not() { healthy=False reason=$1; }
within() { timeout -k 1 "$@" 2>/dev/null; }
attributes() { # of standard input, into the variables above
  while read -r name equals value; do
    case $name$equals in
      TareHealthy=) [ "$value" = True ] && healthy=True || healthy=False ;;
      TareHealthTime=) ;;
      TareReason=) [ "$value" = undefined ] || { reason=\${value#\\"} reason=\${reason%\\"}; } ;;
      Tare*=) rest="$rest$name = $value
" ;;
    esac
  done
}

# permissions, inode, time of change and size: what is not there, cannot be executed, or is another program than before, shows here
programs=$(within 5 stat -L -c %A,%i,%.Z,%s "$folder/bin/tare-wrap" "$folder/bin/tare" "$folder/libexec/tare" | tr '\\n' ' ')
case $programs in
  *x,*' '*x,*' '*x,*' ')
    if [ "$programs" != "$then " ] || [ $((now - tried)) -ge 600 ] || [ "$tried" -gt "$now" ]; then
      if within 10 "$folder/bin/tare" --version >/dev/null; then tried=$now; else not "$folder/bin/tare --version fails, or takes longer than 10 s"; fi
    fi ;;
  *) not "$folder: bin and libexec are not there, their programs cannot be executed, or their file system does not answer" ;;
esac
if [ -n "$healthy" ]; then
  tried=0
elif [ -r "$node/health.ad" ]; then
  attributes <"$node/health.ad"
  # the timer touches it each time that it looked and found nothing new
  at=$(stat -c %Y "$node/health.json" 2>/dev/null) || at=0
  age=$((now - at))
  [ $age -le "$oldest" ] && [ $age -ge -"$oldest" ] || not "the timer of root has not looked at this node for more than $oldest s ($node/health.json)"
else
  answer=$(within 10 "$folder/bin/tare" htcondor health)
  attributes <<END
$answer
END
  [ -n "$healthy" ] || not "$folder/bin/tare htcondor health does not answer within 10 s"
fi
[ -n "$healthy" ] || not "$node/health.ad does not say whether this node is healthy"

printf 'TareHealthy = %s\\nTareHealthTime = %s\\n%s' "$healthy" "$now" "$rest"
if [ -n "$reason" ]; then printf 'TareReason = "%s"\\n' "$reason"; else printf 'TareReason = undefined\\n'; fi
if [ "$said" = "$healthy" ]; then printf -- '-\\n'; else printf -- '- update:true\\n'; fi
printf '%s %s %s\\n' "$healthy" "$tried" "$programs" 2>/dev/null >"$kept"
exit 0
`;
