# attack: jobs that fail by their own doing, until the node drains or runs jobs without a box
# row: X11
printf 'batch: {blackHole: {failures: 2, within: 1h, then: unboxed}}\n' | policy
cd /home/alice/job
failed() { ls /var/tmp/tare-$(id -u alice)/node/reports 2>/dev/null | wc -l; grep -c failed /var/tmp/tare-$(id -u alice)/node/reports/* 2>/dev/null; }
boxed() { as alice "$W" sh -c '[ -e /dev/tare ]' 2>/dev/null; }
for wish in 'cvmfs: [no.such.repository]' 'devices: [/dev/nvidia77]' 'workDirectory: /nonexistent' 'writable: [/x]' 'image: /x' 'identity: {address: user}' 'services: [{name: a, command: [/x]}]' 'filesystem: private' 'limits: {memory: 1KiB}' 'limits: {processes: 1}' 'limits: {openFiles: 1}' 'limits: {scratch: 1}' 'init: sysvinit'; do
  printf 'schema: tare/job/v1\n%s\n' "$wish" >.tare.yaml; chown alice .tare.yaml
  as alice "$W" true >/dev/null 2>&1; as alice "$W" true >/dev/null 2>&1
  rm .tare.yaml
  boxed && held "$wish" || survived "after two jobs with $wish the next one has no box"
done
