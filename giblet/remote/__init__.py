"""Running the workflow on another machine over ssh and rsync, from a laptop.

What happens on the other machine stands in the shell scripts of ``host/``; they are sent to its
``bash`` on standard input, so that nothing depends on its login shell and nothing but ``run.sh``,
which travels with the code, is installed there.
"""
