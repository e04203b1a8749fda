//! Two greenlets, and one that waits for both.

fn main() {
    let greeting = greenhub::run(|| {
        let hello = greenhub::spawn(|| "Hello");
        let name = greenhub::spawn(|| "greenlets".to_string());
        format!("{}, {}!", hello.join().unwrap(), name.join().unwrap())
    });
    println!("{greeting}");
    assert_eq!(greeting, "Hello, greenlets!");
}
