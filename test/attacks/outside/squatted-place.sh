# attack: bob takes the place of alice's records and state before her first job
# row: X15
uid=$(id -u alice)
rm -rf "/var/tmp/tare-$uid"
as bob mkdir "/var/tmp/tare-$uid"
cd /home/alice/job
as alice "$W" /usr/bin/true 2>/dev/null && held 'a directory of bob’s in alice’s place' || survived 'no job of alice runs while bob has her place'
rmdir "/var/tmp/tare-$uid"
install -d -o bob /home/bob/mine
as bob ln -s /home/bob/mine "/var/tmp/tare-$uid"
as alice "$W" /usr/bin/true 2>/dev/null && held 'a link of bob’s in alice’s place' || survived 'no job of alice runs while bob has a link in her place'
[ -z "$(ls -A /home/bob/mine)" ] && held 'nothing goes where the link leads' || survived 'state of alice’s goes where bob’s link leads'
rm -f "/var/tmp/tare-$uid"
