#![no_main]

weir_fuzz::run!(weir_metaserver);
