# as grid, delegated, in the lab machine
mkdir -p /tmp/img /tmp/w; cd /tmp/img; (cd /; tar cf - --exclude=./usr/lib/modules --exclude=./usr/share/locale --exclude=./usr/lib/python3* --exclude=./usr/lib/gcc --exclude=./usr/share/doc --one-file-system ./bin ./sbin ./lib ./lib64 ./usr ./etc 2>/dev/null) | tar xf - --no-same-owner 2>/dev/null; mkdir -p var/log var/lib/nginx var/log/nginx root run tmp proc sys dev home var/tmp
rm -f etc/systemd/system/lab*
du -sh /tmp/img
cat > /tmp/pol.yaml <<E
schema: tare/policy/v1
images: ["/tmp/img"]
directories: {state: /var/tmp/tt-%u, scratch: /var/tmp/tt-%u/scratch}
services: {within: 5m}
E
cat > /tmp/j.yaml <<E
schema: tare/job/v1
image: /tmp/img
init: systemd
services: [nginx]
network: none
command: [bash, -c, "id; cat /proc/self/cgroup; systemctl is-system-running; systemctl --no-pager --failed; systemd-cgls --no-pager | head -20; (exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; head -1 <&3)"]
limits: {memory: 600MiB, cores: 2, wallTime: 8m}
E
cd /tmp/w
time $TARE run --policy /tmp/pol.yaml --verbose /tmp/j.yaml; echo "exit $?"
python3 - <<E
import glob,json
for f in glob.glob('/var/tmp/tt-*/spool/*.json'):
    r=json.load(open(f)); print(r['outcome']); 
    for a in r['applications']: print(a['name'],a['outcome']['status'],a['net']['memPeakBytes'],a['net']['cpuUserUs']); print(a['log'])
E
find /var/tmp/tt-*/scratch /var/tmp/tt-*/boxes
