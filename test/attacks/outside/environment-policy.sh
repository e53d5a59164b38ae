# attack: the environment of a job that is none of ARC's or HTCondor's names the policy, and more than the slot has
# row: X6
cd /home/alice/job
printf 'schema: tare/policy/v1\nkillSwitch: /etc/passwd\n' >own.yaml; chown alice own.yaml
outside='! [ -e /dev/tare ]'
SLURM_JOB_ID=5 TARE_ARC=policy=$PWD/own.yaml as alice "$W" sh -c "$outside" 2>/dev/null && survived 'a user’s job runs without a box by a policy of its own' || held 'a user’s job names no policy'
SLURM_JOB_ID=5 TARE_ARC=policy=$PWD/own.yaml "$W" sh -c "$outside" 2>/dev/null && survived 'root runs a job without a box by the job’s policy' || held 'root takes no policy of a job’s'
observe=$(dirname "$(readlink -f "$T")")/../configs/policies/observe-first.yaml
SLURM_JOB_ID=5 TARE_ARC=policy=$(readlink -f "$observe") "$W" sh -c "$outside" 2>/dev/null && survived 'root runs a job without a box by a policy of the folder’s that the job named' || held 'root takes no policy that a job names'
echo 'patterns: [ulimit++, quotas++]' | policy
most=$(SLURM_JOB_ID=5 SLURM_MEM_PER_NODE=100 as alice "$W" sh -c 'cat $JOBFEATURES/max_rss_bytes' 2>/dev/null)
more=$(SLURM_JOB_ID=5 SLURM_MEM_PER_NODE=100 TARE_ARC='memory=900000
count=64' as alice "$W" sh -c 'cat $JOBFEATURES/max_rss_bytes' 2>/dev/null)
[ "${more:-0}" -gt "${most:-0}" ] && survived "TARE_ARC makes the slot of a job of Slurm larger: $most, $more" || held "the slot stays as it is: $most, $more"
