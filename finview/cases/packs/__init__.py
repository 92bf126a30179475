"""The law packs that ship with finview, one country each; not legal advice."""
