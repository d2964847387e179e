"""Jobs that are launched by hand or by automation. Assets belong to assets."""
