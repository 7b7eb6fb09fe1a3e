// After an error the notice at the top has the focus, so that it is read first.
document.getElementById('problem')?.focus();
