"""What runs inside a container: roles, commands of the code under test, probes, the tools.

Everything here is render + exec: nothing is downloaded, and pytest is never imported.
"""
