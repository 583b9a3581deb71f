"""What TensorBoard loads at its start; nothing that goes wrong here may stop it."""

import logging
from typing import Any

from tensorboard.plugins.base_plugin import TBLoader

PLUGIN_NAME = "gradvitals"

KEEP_ALL = 0
"""How TensorBoard is told to keep every point of a series; by itself it would keep 10 or 100 of ours."""


class VitalsLoader(TBLoader):  # type: ignore[misc]  # TensorBoard has no types
    """Makes the tab, or none where it cannot be made."""

    def fix_flags(self, flags: Any) -> None:  # noqa: ANN401 - TensorBoard's parsed command line
        """Have TensorBoard keep all of our series, unless the user says otherwise."""
        samples = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            samples.setdefault(PLUGIN_NAME, KEEP_ALL)

    def load(self, context: Any) -> Any:  # noqa: ANN401 - TensorBoard's context; the plugin is one of its classes
        """Make the tab; without it TensorBoard is what it is without us."""
        try:
            from gradvitals.diagnostics.tensorboard.vitals_tab.plugin import VitalsPlugin

            return VitalsPlugin(context)
        except Exception:  # a broken installation of ours must not take TensorBoard down
            logging.getLogger(__name__).warning("gradvitals: the tab Vitals cannot be shown", exc_info=True)
            return None
