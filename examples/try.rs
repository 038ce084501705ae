use avrope::*;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "gen" { synth::to_file(&synth::Spec::demo(a[3].parse().unwrap()), a[2].as_ref()).unwrap(); return; }
    let c = Control::default().verify_payload(std::env::var("V").is_ok());
    for _ in 0..3 {
    let t = Instant::now();
    let m = Media::open(Source::open(&a[2]).unwrap()).unwrap();
    let o = t.elapsed();
    let r = match a[1].as_str() {
        "cut" => { let mut cut_ = Cut::new().format(a[3].rsplit('.').next().unwrap()); for k in &a[4..] { let (x,y)=k.split_once("..").unwrap(); cut_=cut_.keep(TimeRange::secs(x.parse().unwrap(), y.parse().unwrap()).unwrap()); } cut(&m, &cut_, &c) }
        "remux" => remux(&m, &Remux::new().format(a[3].rsplit('.').next().unwrap()), &c),
        "join" => { let s: Vec<_> = std::iter::once(a[2].clone()).chain(a[4..].iter().cloned()).map(|p| Source::open(p).unwrap()).collect(); join(&s, &Join::new().format(a[3].rsplit('.').next().unwrap()), &c) }
        _ => panic!(),
    };
    let r = r.unwrap_or_else(|e| { println!("{e} {:?}", e.kind()); std::process::exit(1) });
    println!("open {o:?} all {:?} {:?}", t.elapsed(), r.report);
    r.rope.save(&a[3], SaveOptions::new().overwrite(true), &c).unwrap();
    }
}
