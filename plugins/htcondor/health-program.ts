/** The startd cron program that lies outside Tare's folder: the same text as configs/htcondor/tare-health.sh, which a test compares. */

/** The shell script of the startd cron job, which `tare htcondor config --for cron` prints. */
export const healthProgram = `#!/bin/sh
# Whether this node should get jobs: what condor_startd asks (60-tare-node.conf). It lies outside Tare's folder, so that it notices when that
# is gone: /usr/libexec/condor/tare-health, of root, 0755. What root's timer found is read from a file, since Tare itself is too dear to start
# every 20 seconds; here it is started every ten minutes, after it changed, and where there is no such file.
#
#   tare-health FOLDER NODE OLDEST [PERIOD]: Tare's folder, root's directory for the node's state, and how many seconds what root found counts.
# With PERIOD, the seconds until it is called again, it stays for most of them, and says within 5 seconds what root's timer finds meanwhile.
# The working directory keeps what was said last, to tell the collector at once of a change, and the same for Prometheus (tare-health.prom).

folder=$1 node=$2 oldest=$3 stay=$((\${4:-0} - 5)) kept=tare-health.last told=tare-health.prom
now=$(date +%s)
healthy= reason= fault= tried=0 late=0 was_late=0 said= then= rest=
{ read -r said tried was_late then <"$kept"; } 2>/dev/null
case $tried in '' | *[!0-9]*) tried=0 ;; esac

not() { healthy=False fault=$1 reason=$2; }
within() { timeout -k 1 "$@" 2>/dev/null; }
# A node may be loaded: what does not answer in time is a fault when it did not the last time either.
failed() { # STATUS REASON: how \`within\` ended, and what that means
  case $1 in
    124 | 137) late=1 programs=$then; [ "$was_late" != 1 ] || not folder "$2 does not answer, twice in a row" ;;
    *) not folder "$2 fails" ;;
  esac
}
attributes() { # of standard input, into the variables above
  while read -r name equals value; do
    case $name$equals in
      TareHealthy=) [ "$value" = True ] && healthy=True || healthy=False ;;
      TareHealthTime=) ;;
      TareFault=) [ "$value" = undefined ] || { fault=\${value#\\"} fault=\${fault%\\"}; } ;;
      TareReason=) [ "$value" = undefined ] || { reason=\${value#\\"} reason=\${reason%\\"}; } ;;
      Tare*=) rest="$rest$name = $value
" ;;
    esac
  done
}

# permissions, inode, time of change and size: what is not there, cannot be executed, or is another program than before, shows here
programs=$(within 5 stat -L -c %A,%i,%.Z,%s "$folder/bin/tare-wrap" "$folder/bin/tare" "$folder/libexec/tare")
status=$?
set -- $programs
programs="$1 $2 $3"
case $programs in
  *x,*' '*x,*' '*x,*)
    if [ "$programs" != "$then" ] || [ $((now - tried)) -ge 600 ] || [ "$tried" -gt "$now" ]; then
      if within 10 "$folder/bin/tare" --version >/dev/null; then tried=$now; else failed $? "$folder/bin/tare --version"; fi
    fi ;;
  *)
    case $status in
      124 | 137) failed $status "the file system of $folder" ;;
      *) not folder "$folder: bin and libexec are not there, or their programs cannot be executed" ;;
    esac ;;
esac
if [ -n "$healthy" ]; then
  tried=0
elif [ -r "$node/health.ad" ]; then
  attributes <"$node/health.ad"
  # the timer touches it each time that it looked and found nothing new
  at=$(stat -c %Y "$node/health.json" 2>/dev/null) || at=0
  age=$((now - at))
  [ $age -le "$oldest" ] && [ $age -ge -"$oldest" ] || not timer "the timer of root has not looked at this node for more than $oldest s ($node/health.json)"
else
  answer=$(within 10 "$folder/bin/tare" htcondor health)
  status=$?
  attributes <<END
$answer
END
  [ -n "$healthy" ] || failed $status "$folder/bin/tare htcondor health"
  [ -n "$healthy" ] || healthy=\${said:-False}
fi
[ -n "$healthy" ] || not timer "$node/health.ad does not say whether this node is healthy"

says() { if [ -n "$2" ]; then printf '%s = "%s"\\n' "$1" "$2"; else printf '%s = undefined\\n' "$1"; fi; }
printf 'TareHealthy = %s\\nTareHealthTime = %s\\n%s' "$healthy" "$now" "$rest"
says TareFault "$fault"
says TareReason "$reason"
if [ "$said" = "$healthy" ]; then printf -- '-\\n'; else printf -- '- update:true\\n'; fi
printf '%s %s %s %s\\n' "$healthy" "$tried" "$late" "$programs" 2>/dev/null >"$kept"
{
  metric() { printf '# HELP %s %s\\n# TYPE %s gauge\\n' "$1" "$2" "$1"; }
  metric tare_batch_healthy 'Whether the batch system was told that this node should get jobs.'
  if [ "$healthy" = True ]; then echo tare_batch_healthy 1; else echo tare_batch_healthy 0; fi
  metric tare_batch_time_seconds 'When it was told, since 1970.'
  echo "tare_batch_time_seconds $now"
  [ "$healthy" = True ] || metric tare_batch_fault 'Why not.'
  [ "$healthy" = True ] || for each in \${fault:-other}; do echo "tare_batch_fault{fault=\\"$each\\"} 1"; done
} 2>/dev/null >$told.new && mv -f $told.new $told 2>/dev/null
while [ $stay -ge 5 ]; do
  sleep 5
  [ ! "$node/health.ad" -nt "$kept" ] || exec sh "$0" "$folder" "$node" "$oldest" $stay
  stay=$((stay - 5))
done
exit 0
`;
