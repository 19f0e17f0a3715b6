mod duplicates;
mod sbx;
mod selection;
mod variation;
