# The function on this machine, beside the demonstration's simulated AWS. README.md shows these sections as they are here, and
# .ci/e2e runs them: the first two each in a terminal of its own, until Ctrl-C.

# [local-aws] A simulated fleet is rotated, and its endpoints stay up.
cargo demo --keep --port 4550

# [local-function] The function, built for this machine when the first event comes, and anew when the code changes.
cargo lambda watch --env-file cli/demo.env --invoke-address 127.0.0.1 --invoke-port 4551

# [local-events] Sample events: the fleet moves back; a rehearsal; an event that may not run; what is done already.
invoke() { cargo lambda invoke rotate --invoke-address 127.0.0.1 --invoke-port 4551 --data-file "events/$1.json"; }
invoke rotate-back
invoke dry-run
invoke misspelt-field
invoke role-rotation-requested
