"""The code under test that runs as a process: the API and the job."""
