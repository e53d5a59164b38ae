# attack: a descriptor that came with alice's job names bob, or bob's directory, and root runs it
# row: X3
install -d -o bob -g bob -m 700 /home/bob/private
echo secret >/home/bob/private/secret; chown bob /home/bob/private/secret; chmod 600 /home/bob/private/secret
cd /home/alice/job
describe() { printf 'schema: tare/job/v1\n%b\n' "$1" >.tare.yaml; chown alice .tare.yaml; }
describe 'user: bob'
SLURM_JOB_ID=1 "$W" /usr/bin/id -un 2>/dev/null | grep -qx bob && survived 'a job of alice runs as bob' || held 'user: bob in a descriptor'
describe 'user: root'
SLURM_JOB_ID=1 "$W" /usr/bin/id -u 2>/dev/null | grep -qx 0 && survived 'a job of alice runs as root' || held 'user: root in a descriptor'
describe 'workDirectory: /home/bob/private'
SLURM_JOB_ID=1 "$W" /bin/sh -c 'cat secret; echo owned >planted' 2>/dev/null | grep -q secret && survived 'a job of alice reads bob’s files' || held 'workDirectory of bob’s is not read'
tell 'a job of alice writes to bob’s directory' test -e /home/bob/private/planted
describe ''
printf 'TareJob = "/home/alice/job/j.yaml"\n' >ad; printf 'schema: tare/job/v1\nuser: bob\n' >j.yaml; chown alice ad j.yaml
_CONDOR_JOB_AD=$PWD/ad _CONDOR_SCRATCH_DIR=$PWD "$W" /usr/bin/id -un 2>/dev/null | grep -qx bob && survived 'a job of alice runs as bob by an attribute of its ad' || held 'user: bob by an ad'
