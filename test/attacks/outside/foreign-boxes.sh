# attack: carol looks into, stops and ends boxes that are not hers
as alice sh -c "cd /home/alice/job && exec $T run --name foreign -- sleep 60" >/dev/null 2>&1 & one=$!
(cd /home/bob/job && exec "$T" run --name roots -- sleep 60) >/dev/null 2>&1 & two=$!
for try in $(seq 150); do ids=$("$T" ps --json | python3 -c 'import json,sys; print(*[b["id"] for b in json.load(sys.stdin) if b["state"] == "running"])'); [ "$(echo $ids | wc -w)" = 2 ] && break; sleep 0.2; done
cd /home/carol/job
for id in $ids; do
  for words in "kill $id" "pause $id" "exec $id -- id" "logs $id" "diff $id"; do tell "carol: tare ${words%% *} of another’s box" as carol timeout 20 "$T" $words; done
done
as carol "$T" ps --json | grep -qE 'foreign|roots' && survived 'carol sees others’ boxes' || held 'carol sees no box'
for id in $ids; do for place in /var/tmp/tare-$(id -u alice)/scratch/tare-$id/tmp /var/lib/tare/scratch/tare-$id/tmp; do tell "carol lists $(dirname $place | cut -d/ -f1-4) of another’s box" as carol ls $place; done; done
for id in $ids; do "$T" kill $id >/dev/null 2>&1; done; wait $one $two
