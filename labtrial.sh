# as root in the lab machine
mkdir -p /srv/img /srv/w; mount --bind / /srv/img; chown grid /srv/w
cat > /tmp/pol.yaml <<E
schema: tare/policy/v1
images: ["/srv/img", "/tmp/img*"]
directories: {state: /var/tmp/tt-%u, scratch: /var/tmp/tt-%u/scratch}
E
cat > /tmp/j.yaml <<E
schema: tare/job/v1
image: /srv/img
init: systemd
services: [nginx]
network: none
command: [bash, -c, "id; cat /proc/self/cgroup; systemctl is-system-running; systemctl --no-pager --failed; systemd-cgls --no-pager | head -20; (exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; head -1 <&3)"]
limits: {memory: 600MiB, cores: 2, wallTime: 5m}
E
cd /srv/w
time $TARE run --policy /tmp/pol.yaml --verbose /tmp/j.yaml; echo "exit $?"
python3 - <<E
import glob,json
for f in glob.glob('/var/tmp/tt-*/spool/*.json'):
    r=json.load(open(f)); print(r['outcome']); 
    for a in r['applications']: print(a['name'],a['outcome']['status'],a['net']['memPeakBytes'],a['net']['cpuUserUs']); print(a['log'])
E
ls /sys/fs/cgroup; find /var/tmp/tt-0/scratch /var/tmp/tt-0/boxes
