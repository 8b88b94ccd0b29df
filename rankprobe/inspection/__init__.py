"""What was learned: spectra of adapters and of full training's update, and what a rank cuts off."""
