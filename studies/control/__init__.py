"""Behaviour: a policy learned from an expert's recorded episodes, scored by acting."""
