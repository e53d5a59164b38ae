# attack: 150 MB of output: the wrapper neither stalls nor grows
# output: 150000000
head -c 150000000 /dev/zero
