SELECT floor_sign_up();
