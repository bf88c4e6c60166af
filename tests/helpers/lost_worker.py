"""The trainer for `distributed.run_module`: its second process is killed once, in its second epoch."""

import os
import signal
import sys
from typing import Any

from carseg_lib.engine import distributed, trainer

MODULE = __spec__.name
_real = trainer.train_one_epoch


def _train_one_epoch(*arguments: Any, progress: Any, first_step: int, **named: Any) -> Any:
    def killed(batch: int, batches: int) -> None:
        progress(batch, batches)
        if first_step and batch == 1 and distributed.rank_and_size()[0] == 1 and not distributed.restarts():
            os.kill(os.getpid(), signal.SIGKILL)

    return _real(*arguments, progress=killed, first_step=first_step, **named)


if __name__ == "__main__":
    trainer.train_one_epoch = _train_one_epoch
    sys.exit(distributed.run_main(trainer._main))
