"""``snakemake`` that asks after its Slurm jobs every second or two, for the tests.

The plugin asks ever more rarely, 11, 21, 31 ... seconds after the last answer, so as not to burden
a site's controller; here most of the tests' time would go by that way.
"""

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

PAUSE_S = 1.5


async def sleep(self: Executor) -> None:
    """Wait until the next look at the jobs."""
    import asyncio

    await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    Executor.sleep = sleep
    main()
