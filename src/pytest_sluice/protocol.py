"""What a supervisor and the holders of its cluster agree on."""

# In the environment of every process of a cluster; its value is the cluster's directory.
MARK = "SLUICE_CLUSTER"
# How the name of a cluster's directory begins.
PREFIX = "sluice-"
# In the cluster's directory: where the supervisor listens, what it made, what undoing it printed.
SOCKET = "socket"
JOURNAL = "journal.jsonl"
UNDO_LOG = "undo.log"
# How long a command that undoes something may take: ten containers are gone in three seconds.
UNDO_SECONDS = 60.0
# The longest request or answer, in bytes; a class path alone has some 25,000.
LONGEST_LINE = 1 << 24
# The exit code of a supervisor that could not undo everything, and kept its directory therefore.
LEFT_BEHIND = 3
