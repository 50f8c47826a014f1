"""Register `askew/Feed-v0` with Gymnasium; nothing heavy is imported before an environment is made.

Gymnasium 1 has no entry points for plug-ins, so this module has to be named:
`gymnasium.make("simulator.registration:askew/Feed-v0")`, or `import simulator.registration` once and then
`gymnasium.make("askew/Feed-v0")`.
"""

import gymnasium

gymnasium.register(
    id="askew/Feed-v0",
    entry_point="simulator.environment.env:FeedEnv",
    vector_entry_point="simulator.environment.vector_env:FeedVectorEnv",
)
