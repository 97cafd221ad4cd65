"""An artifact's errors on labelled crystals, and what follows from them: calibration, figures, the model card."""
