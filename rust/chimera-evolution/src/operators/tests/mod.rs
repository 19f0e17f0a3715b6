mod sbx;
