# attack: the work directory that a descriptor names is one that the policy does not let jobs write to
# class: CVE-2024-21626
# row: X10
echo x >/tmp/of-others; chmod 644 /tmp/of-others
install -d -m 1777 /home/shared
for place in /home/shared /tmp /dev/shm /run/lock /var/spool/cron /home; do
  for who in alice root; do
    cd /home/alice/job
    printf 'schema: tare/job/v1\nworkDirectory: %s\n' $place >.tare.yaml; chown alice .tare.yaml
    run=(); [ $who = root ] || run=(as alice)
    seen=$(SLURM_JOB_ID=7 "${run[@]}" "$W" /bin/sh -c "touch $place/tare-attack; cat /tmp/of-others" 2>/dev/null)
    [ -e $place/tare-attack ] && survived "$who: $place is written to" || held "$who: $place"
    [ "$seen" = x ] && survived "$who: /tmp of the node is seen by workDirectory $place"
    rm -f $place/tare-attack .tare.yaml
  done
done
for who in alice root; do
  cd /home/alice/job
  run=(); [ $who = root ] || run=(as alice)
  for place in /proc/self/root/tmp /proc/self/cwd /proc/self/fd/9 /proc/self/fd/9/tmp; do
    printf 'schema: tare/job/v1\nworkDirectory: %s\n' $place >.tare.yaml; chown alice .tare.yaml
    seen=$(SLURM_JOB_ID=7 "${run[@]}" "$W" /bin/sh -c 'cat of-others tmp/of-others ../tmp/of-others' 2>/dev/null 9</)
    [ "$seen" = x ] && survived "$who: /tmp of the node is seen from $place" || held "$who: $place"
    rm -f .tare.yaml
  done
done
