"""Jobs that people or automation launch. Assets belong to assets."""
