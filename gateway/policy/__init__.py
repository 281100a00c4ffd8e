"""The policy of the data controller: YAML in, checked structs out, compiled with the contracts into plans."""
