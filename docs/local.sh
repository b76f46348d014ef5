# Commands that run the function on this machine, beside the simulated AWS of the demo. Each section starts
# with its name in brackets. docs/local.md shows the sections exactly as they are here, except that it leaves
# out the names. .ci/e2e runs each section. In a terminal, each of the first two runs until Ctrl-C.

# [local-aws] Rotates a simulated fleet, takes it back, and keeps the stack running.
cargo demo --keep --port 4550

# [local-function] Builds the function when the first event arrives, and again when the code changes.
cargo lambda watch --env-file cli/demo.env --invoke-address 127.0.0.1 --invoke-port 4551

# [local-events] Sends five events: a dry run, a rejected event, the finished rotation, a new one, and the way back.
invoke() {
    cargo lambda invoke rotate --invoke-address 127.0.0.1 --invoke-port 4551 --data-file "events/$1.json"
}
invoke dry-run
invoke misspelt-field
invoke role-rotation-requested
invoke without-rotation-id
invoke rotate-back
