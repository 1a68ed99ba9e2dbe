"""What a supervisor and the holders of its cluster agree on."""

# In the environment of every process of a cluster; its value is the cluster's directory.
MARK = "SLUICE_CLUSTER"
# In the cluster's directory: where the supervisor listens, and what it made.
SOCKET = "socket"
JOURNAL = "journal.jsonl"
# How long a command that undoes something may take: ten containers are gone in three seconds.
UNDO_SECONDS = 60.0
# The longest request or answer, in bytes; a class path alone has some 25,000.
LONGEST_LINE = 1 << 24
